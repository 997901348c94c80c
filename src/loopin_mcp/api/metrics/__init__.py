"""The figures that an operator watches."""
