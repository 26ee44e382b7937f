"""REMEMBERS: everything that touches PostgreSQL."""
