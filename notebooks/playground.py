# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Playground: three solvers, the same number of steps
#
# **You will** pick data and a dictionary, drag λ and the number of steps, and see which solver is nearest to the least energy when all have to stop.
#
# For a sample $y$ and a dictionary $W$ every solver looks for the code $z$ with the least energy $E = \tfrac12\Vert y - Wz\Vert^2 + \lambda\Vert z\Vert_1$. ISTA and FISTA are those of [notebook 2](02_sparse_coding_fista.ipynb); LISTA is a network that
# learned to do the same in few steps, one network for each number of steps. The curves show how far above the least energy each one is. The least energy itself is known to 0.01 %, by a duality gap; below that the curves end.
#
# **Your own picture**: draw on the sheet, or open a file from your computer; the file stays there. Dark is ink. **Settings**: copy the line, and paste it back another day; in the page without code it is also a link. **Save figure** writes the settings into the file's name.

# %%
# On Colab this fetches the helper package; anywhere else it does nothing.
import importlib.util

if importlib.util.find_spec("rlvebm_utils") is None:
    needs = "git+https://github.com/OWNER/rlvebm anywidget mlxtend pooch psygnal simpleeval"
    get_ipython().run_line_magic("pip", f"install --quiet --no-deps {needs}")
    importlib.invalidate_caches()
    if importlib.util.find_spec("rlvebm_utils") is None:
        told = (
            "Its package could not be fetched. Is there a network? Then run this cell again, or see"
        )
        raise ImportError(f"{told} https://github.com/OWNER/rlvebm#set-up")

# %%
import torch
from torch.nn.functional import avg_pool2d

from rlvebm_utils import Dictionary, learn_dictionary
from rlvebm_utils.course.data import extract_patches, load_digits, load_photographs
from rlvebm_utils.course.widgets.playground import prepare, solver_panel

torch.set_default_dtype(torch.float64)

digits = avg_pool2d(load_digits(dtype=torch.float64).images[:3000, None], 2).flatten(1)
patches = extract_patches(load_photographs(dtype=torch.float64), 8, 3000, seed=0)
patches = patches - patches.mean(1, keepdim=True)
contrast = patches.std(1, keepdim=True)
patches = (patches / contrast)[contrast[:, 0] > 0.02] / 8  # of length 1
data = {"digits": digits / digits.norm(dim=1).mean(), "photographs": patches}

# %%
lam, problems = 0.05, {}
for name, Y in data.items():
    noise = torch.randn(Y.shape[1], 64, generator=torch.Generator().manual_seed(0))
    learned = learn_dictionary(Y, 64, lam, steps=40)
    problems[f"{name}, learned atoms"] = prepare(learned, Y, lam)
    problems[f"{name}, random atoms"] = prepare(Dictionary(noise / noise.norm(dim=0)), Y, lam)

# %% tags=["slider"]
solver_panel(problems, lam=lam)

# %% [markdown]
# The networks were trained at λ = 0.05, where the slider starts. Far from there their thresholds are only scaled, as ISTA's are. Where do they lose their lead?
