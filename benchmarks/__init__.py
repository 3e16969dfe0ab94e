"""What the product costs: counts that hold on every machine, and times of this one (`make bench`)."""
