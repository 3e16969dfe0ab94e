"""The library of templates: which there are, what one looks like with values in it, and keeping one."""
