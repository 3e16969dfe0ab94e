"""What mail that comes in is: a person's reply, an automatic answer, a bounce or a receipt."""
