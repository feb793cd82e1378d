"""WHETHER IT CAN RUN: accounts, endpoints, destinations, limits."""
