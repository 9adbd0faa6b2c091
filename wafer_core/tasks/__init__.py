"""What is done with wafers: multiply, generate, train, predict. Arrays in, arrays out."""
