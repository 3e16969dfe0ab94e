"""Mautic's own tables of opens and clicks."""
