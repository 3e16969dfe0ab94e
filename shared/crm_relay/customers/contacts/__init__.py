"""Whose Mautic's contacts are, for rooms that hear of them by their ids."""
