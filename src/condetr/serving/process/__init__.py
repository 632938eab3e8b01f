"""The serving process: sockets, signals, worker threads and shutdown."""
