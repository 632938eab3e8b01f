"""Problems and statistics of a dataset, as text and as images."""
