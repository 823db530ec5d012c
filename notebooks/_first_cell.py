# On Colab this fetches the helper package; anywhere else it does nothing.
import importlib.util

if importlib.util.find_spec("rlvebm_utils") is None:
    needs = "git+https://github.com/OWNER/rlvebm mlxtend pooch simpleeval"
    get_ipython().run_line_magic("pip", f"install --quiet --no-deps {needs}")
