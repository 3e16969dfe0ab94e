"""Takes the steps of runs that are due: claimed, decided and recorded in one transaction each batch."""
