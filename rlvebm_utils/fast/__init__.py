"""The same answers as the library's, sooner. Every code is certified as there; who does the work:

codes      encode, encode_path: dense codes. codes.c on a CPU, else steps (FISTA on blocks, torch)
images     encode_images: convolutional codes. images.c on a CPU, else admm
admm       convolutional codes in few Fourier transforms, torch on any device
learning   learn_dictionary_fast: rough codes and exact updates in turn. learning.c or torch
parts      encode_batches, load_codes: more samples than memory holds; csr and streams help
compiled   compiles and calls the C files (what they share is in common.h); compile_loops
estimators as scikit-learn's estimators; not imported by the package itself (extra "sklearn")
"""
