"""The endpoints of the REST API, and their OpenAPI description."""
