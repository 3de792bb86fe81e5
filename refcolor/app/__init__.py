"""The page of `refcolor app`: a drawing, a picture whose colours it takes, and corrections."""
