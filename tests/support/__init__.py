"""What tests of several rooms share: stand-ins, recordings, readers of pages and documents."""
