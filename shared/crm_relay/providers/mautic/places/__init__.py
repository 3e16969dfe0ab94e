"""Countries and states in the spellings that Mautic takes."""
