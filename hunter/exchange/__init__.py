"""Exchange protocols, one package each. Pure: no sockets, no clocks, no threads."""
