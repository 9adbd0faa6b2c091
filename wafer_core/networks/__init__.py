"""What several tasks need of networks: registry, weights, preparation, features, training loop."""
