"""Lipreading, small enough for a phone: models, distillation and the data path."""
