"""The page with a reviewer's devices, and the files of the installed app."""
