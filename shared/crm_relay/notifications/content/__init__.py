"""What a notification says: templates, their rules, links, and how a reader writes numbers and dates."""
