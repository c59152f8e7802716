"""Checks: any module here may hold some, each a function under `@check`."""
