"""`python -m profkit.runner`."""

from profkit.runner.run import main

main()
