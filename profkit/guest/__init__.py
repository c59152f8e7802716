"""What runs inside the user's own Python program while it is recorded; the program itself is not edited.

`hook/sitecustomize.py` is imported by Python when it starts, since its folder is put on PYTHONPATH; it waits for torch.
Only the standard library, torch and `profkit.runner` are used here: the program's environment need not have profkit's
own dependencies.
"""
