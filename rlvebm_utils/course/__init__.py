"""What the notebooks need beside the library (extra ``course``): data, claims, exercises, models of
single chapters (gabor, kernels, csae, vae), and for each chapter its plots and its slider panels.
"""
