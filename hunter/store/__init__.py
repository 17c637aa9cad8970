"""Parquet files of the market and the signals: an actor that looks on. An extra: `store`."""
