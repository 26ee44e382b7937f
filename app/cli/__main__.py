"""`python -m app.cli` is `hailong`."""

from app.cli import main

main()
