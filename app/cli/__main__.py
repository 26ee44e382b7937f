"""`python -m app.cli` is `hailong`."""

from app.cli import main

# Guarded, because each serving process reads this file again.
if __name__ == "__main__":
    main()
