"""Tries whether a server keeps what `hailong` promises to those who integrate with it."""
