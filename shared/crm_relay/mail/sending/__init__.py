"""From the ledger to the provider: gate, frozen batches, and what their answers mean."""
