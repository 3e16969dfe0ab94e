"""Whether what is stored is true: checks, fixes with a limit, and the way back."""
