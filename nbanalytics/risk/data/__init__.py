"""What is known of a student as of a date, and what is to be predicted."""
