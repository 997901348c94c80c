"""What is stored of browsers: sessions and devices."""
