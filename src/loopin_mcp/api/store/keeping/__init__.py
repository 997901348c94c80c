"""What is kept, for how long, and what ends when an earlier state is put back."""
