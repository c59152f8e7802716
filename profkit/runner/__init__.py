"""The Python program that runs a bundle, in a process of its own: twin of `cpp/`."""
