"""One alert an incident, closed by its recovery: kept first, told then."""
