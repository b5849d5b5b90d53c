"""Federated learning of handwritten digits with Flower and TensorFlow, and what comes after it."""
