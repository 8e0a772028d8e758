"""What Hydra takes from this namespace only: the sweeper of mnist_exp."""
