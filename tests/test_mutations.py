"""The tests bite: each of these faults, put into a copy of the package, turns a named test red.

All copies are tested in one other process (this file, run as a script), which imports torch once.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Mutation(NamedTuple):
    """A fault: pieces of a module's text with what replaces them, and the test that must see it.

    The pieces are as short as can be, so that the list need not follow each refactoring. ``within``
    names a function or "Class.method" of the module: they then need to be unique in it alone.
    """

    module: str
    changes: dict[str, str]
    seen_by: str
    within: str = ""

    def plant(self, text: str) -> str:
        """The module's text with the fault. Each place has to be there once, and only once."""
        start, end = span(text, self.within)
        part = text[start:end]
        for old, new in self.changes.items():
            count = part.count(old)
            assert count == 1, f"{self.module} {self.within}: {old!r} is there {count} times"
            part = part.replace(old, new)
        return text[:start] + part + text[end:]


def span(text: str, name: str) -> tuple[int, int]:
    """Where in a module's text the function or "Class.method" begins and ends; all for no name."""
    if not name:
        return 0, len(text)
    node = ast.parse(text)
    for one in name.split("."):
        node = next(child for child in node.body if getattr(child, "name", None) == one)
    lines = text.splitlines(keepends=True)
    return tuple(len("".join(lines[:end])) for end in (node.lineno - 1, node.end_lineno))


MUTATIONS = {
    "flip the sign of the update": Mutation(
        "solvers.py",
        {"self.v - self.step": "self.v + self.step"},
        "test_solvers.py::test_equals_numpy",
    ),
    "drop the momentum": Mutation(
        "solvers.py",
        {"self.extrapolate(z) if": "z if"},
        "test_solvers.py::test_equals_numpy",
    ),
    "give ISTA momentum": Mutation(
        "solvers.py", {"momentum=False": "momentum=True"}, "test_solvers.py::test_equals_numpy"
    ),
    "drop the restart": Mutation(
        "solvers.py",
        {"if self.restart:": "if False:"},
        "test_solvers.py::test_equals_numpy",
    ),
    "return the extrapolated point": Mutation(
        "solvers.py",
        {"write(self.steps.z": "write(self.steps.v"},
        "test_solvers.py::test_equals_numpy",
    ),
    "change the warm start": Mutation(
        "problem.py",
        {".clone(memory_format=torch.contiguous_format)": ""},
        "test_admm.py::test_a_warm_start_saves_iterations_and_nothing_given_is_changed",
        "Problem.start",
    ),
    "shrink by λ, not λ/L": Mutation(
        "solvers.py",
        {"problem.lam * self.steps.step": "problem.lam"},
        "test_solvers.py::test_equals_numpy",
    ),
    "ignore z ≥ 0": Mutation(
        "penalties.py",
        {"nonnegative_soft_threshold(v, t)": "soft_threshold(v, t)"},
        "test_solvers.py::test_equals_numpy",
    ),
    "mark the wrong samples as converged": Mutation(
        "solvers.py",
        {"self.converged[self.rows] = done": "self.converged[: done.sum()] = True"},
        "test_solvers.py::test_the_cap_is_told",
    ),
    "step as carefully as the steepest way asks": Mutation(
        "fast/steps.py",
        {"torch.fmax(0.9 * L, 1.2 * curvature)": "torch.fmax(L, 1.2 * curvature)"},
        "test_codes.py::test_steps_follow_the_curvature_of_each_sample",
    ),
    "let a sample go on until others are done": Mutation(
        "fast/steps.py",
        {"torch.where(done[:, None], best, z)": "z"},
        "test_codes.py::test_by_torch_a_code_does_not_depend_on_the_others_of_its_batch",
    ),
    "drop the momentum of the fast FISTA": Mutation(
        "fast/steps.py",
        {"1 + (t - 1) / t_next": "1.0"},
        "test_codes.py::test_steps_follow_the_curvature_of_each_sample",
    ),
    "go on in float32 where it ends": Mutation(
        "fast/codes.py",
        {"tol < 100 * torch": "tol < 0 * torch"},
        "test_codes.py::test_float32_does_not_stall_where_it_ends[torch-False]",
    ),
    "send images to FISTA": Mutation(
        "fast/codes.py",
        {"partial(_by_images, backend)": "_by_fista"},
        "test_codes.py::test_images_are_certified_too",
    ),
    "C: leap, though the energy rises": Mutation(
        "fast/codes.c",
        {"if (rise <= 0 || share == safe)": "if (1)"},
        "test_codes.py::test_hard_problems_are_solved_without_fista",
    ),
    "C: leave the linear algebra to the sweeps": Mutation(
        "fast/codes.c",
        {"work += leap(w, lam, enough);": ""},
        "test_codes.py::test_hard_problems_are_solved_without_fista",
    ),
    "C: clip twice as far in a sweep": Mutation(
        "fast/codes.c",
        {"cut = min(cut, reach);": "cut = min(cut, 2 * reach);"},
        "test_codes.py::test_usual_problems_need_no_second_solver",
    ),
    "C: keep the small matrix of the sample before": Mutation(
        "fast/codes.c",
        {"w->k = w->known = w->width = 0;": "w->k = 0;"},
        "test_codes.py::test_usual_problems_need_no_second_solver",
    ),
    "C: certify the atoms in use alone": Mutation(
        "fast/codes.c",
        {"most = max(outside + w->slack, most)": "most = most"},
        "test_codes.py::test_the_certificate_does_not_lie_on_the_way",
    ),
    "C: shorten a residual that points away from the sample": Mutation(
        "fast/codes.c",
        {"scale = max(min(scale, reach), -w->sign * reach);": "scale = min(scale, reach);"},
        "test_codes.py::test_the_certificate_does_not_lie_on_the_way",
    ),
    "C: forget that codes are asked to be non-negative": Mutation(
        "fast/codes.c",
        {"w->sign > 0 ? max(v, -reach) : v": "max(v, -reach)"},
        "test_codes.py::test_every_sample_is_certified",
    ),
    "C: begin at zero, wherever the start is": Mutation(
        "fast/codes.c",
        {"for (size j = 0; w->begun && j": "for (size j = 0; 0 && j"},
        "test_codes.py::test_a_good_start_costs_one_round",
    ),
    "C: a kernel that leaves the image stays away": Mutation(
        "fast/images.c",
        {"to[(j + m) % s->w] -= x * K[m];": "to[min(j + m, s->w)] -= x * K[m];"},
        "test_admm.py::test_finds_what_fista_finds",
    ),
    "C: add to the residual image": Mutation(
        "fast/images.c",
        {"new - old, kernel": "old - new, kernel"},
        "test_admm.py::test_finds_what_fista_finds",
    ),
    "C: skip the atoms' norm": Mutation(
        "fast/learning.c",
        {"own[m] = atom[m] / length": "own[m] = atom[m]"},
        "test_fast_learning.py::test_atoms_are_updated_as_in_the_readable_learner",
    ),
    "C: codes begin anew at each visit": Mutation(
        "fast/learning.c",
        {"if (z[j] != 0)": "if (z[j] != 0 && (z[j] = 0))"},
        "test_fast_learning.py::test_codes_get_better_until_they_are_best",
    ),
    "shrink by λ, not λ/ρ": Mutation(
        "fast/admm.py",
        {"to(self.rho) / self.rho": "to(self.rho)"},
        "test_admm.py::test_finds_what_fista_finds",
    ),
    "let ρ move for ever": Mutation(
        "fast/admm.py",
        {"k % 10 == 0 and k <= SETTLED": "k % 10 == 0"},
        "test_admm.py::test_admm_comes_to_an_end_on_a_problem_that_takes_long",
    ),
    "hand images on without their codes": Mutation(
        "fast/images.py",
        {"ledger.z[late], options": "0 * ledger.z[late], options"},
        "test_admm.py::test_descent_that_takes_long_is_handed_on",
    ),
    "forget the multiplier when ρ changes": Mutation(
        "fast/admm.py",
        {"self.u.div_(self": "(self"},
        "test_admm.py::test_few_iterations_suffice_where_one_frequency_dominates",
    ),
    "leave the convolutional encoder untrained": Mutation(
        "course/csae.py",
        {"descend(optimiser, (z - guess).square().mean())": "optimiser.step()"},
        "test_csae.py::test_both_halves_find_the_planted_kernels",
    ),
    "push the encoder away from the codes": Mutation(
        "course/csae.py",
        {"descend(optimiser, (z - guess)": "descend(optimiser, -(z - guess)"},
        "test_csae.py::test_both_halves_find_the_planted_kernels",
    ),
    "leave the decoder untrained": Mutation(
        "course/csae.py",
        {"            learner.sweep()": "            pass"},
        "test_csae.py::test_both_halves_find_the_planted_kernels",
    ),
    "forget the guess in the codes": Mutation(
        "course/csae.py",
        {" + alpha * (v - guess)": ""},
        "test_csae.py::test_codes_against_a_dense_solver",
    ),
    "lose the sign of the gain": Mutation(
        "course/csae.py",
        {" * self.gain.detach().sign()[:, None, None]": ""},
        "test_csae.py::test_encoder_by_hand",
    ),
    "freeze what should be fine-tuned": Mutation(
        "course/csae.py",
        {"net.head.parameters() if frozen else net.parameters()": "net.head.parameters()"},
        "test_csae.py::test_a_net_learns_and_only_what_it_may",
    ),
    "show a kernel above another's partner": Mutation(
        "course/widgets/csae.py",
        {"_row(self.partners)._pixels()": "_row(self.partners)._pixels()[::-1]"},
        "test_panels_drawn.py::test_all_pairs_at_rest",
    ),
    "forget the last pairs at rest": Mutation(
        "course/widgets/csae.py",
        {"zip(C, K, self.cosines, strict=True)": "zip(C[:6], K, self.cosines, strict=False)"},
        "test_panels_drawn.py::test_all_pairs_at_rest",
    ),
    "count only better pairings": Mutation(
        "course/csae.py",
        {"chance >= matched - 1e-12": "chance > matched + 1e-12"},
        "test_csae.py::test_permutation_test_counts_what_all_pairings_say",
    ),
    "drop the ½": Mutation(
        "energies.py",
        {"0.5 * ": ""},
        "test_energies.py::test_energy_by_hand",
        "_energy",
    ),
    "turn the gap round": Mutation(
        "energies.py",
        {"(self.energy - self.dual)": "(self.dual - self.energy)"},
        "test_energies.py::test_gap_where_the_minimum_is_known",
    ),
    "leave the dual point unscaled": Mutation(
        "energies.py",
        {"return torch.clamp(best, least, most)": "return torch.ones_like(best)"},
        "test_energies.py::test_gap_where_the_minimum_is_known",
    ),
    "scale rounding errors up at λ = 0": Mutation(
        "energies.py",
        {"if problem.free:": "if False:"},
        "test_energies.py::test_dual_value_where_rounding_errors_are_all_that_is_left",
    ),
    "take the smallest eigenvalue for L": Mutation(
        "operators.py",
        {"eigvalsh(smaller)[-1]": "eigvalsh(smaller)[0]"},
        "test_operators.py::test_lipschitz_is_the_largest_singular_value_squared",
    ),
    "share W with the caller": Mutation(
        "operators.py",
        {"self.W = W.detach().clone()": "self.W = W.detach()"},
        "test_operators.py::test_the_callers_tensor_is_copied",
    ),
    "lose the sign in the shrinkage": Mutation(
        "penalties.py",
        {"v - torch.clamp(v, -threshold, threshold)": "torch.clamp(v.abs() - threshold, min=0)"},
        "test_penalties.py::test_is_the_minimiser",
    ),
    "skip the column norm": Mutation(
        "learning.py",
        {"norm > 0, atom / norm": "norm > 0, atom"},
        "test_learning.py::test_update_never_raises_its_objective",
    ),
    "flip the sign of the atoms' update": Mutation(
        "learning.py",
        {"W[:, j] + (B[:, j] - W @ A[:, j])": "W[:, j] - (B[:, j] - W @ A[:, j])"},
        "test_learning.py::test_update_never_raises_its_objective",
    ),
    "leave unused atoms unused": Mutation(
        "learning.py",
        {"W[:, dead] = unit_norm(residual[worst].T)": "pass"},
        "test_learning.py::test_atoms_that_no_sample_uses_are_replaced",
    ),
    "fast learning forgets the codes": Mutation(
        "fast/learning.py",
        {"codes[item] = z": "pass"},
        "test_fast_learning.py::test_codes_start_from_the_last_ones",
    ),
    "fast learning never forgets the atoms of old": Mutation(
        "fast/learning.py",
        {"fade = (1 - 1 / t) ** (1 / self.memory)": "fade = 1"},
        "test_fast_learning.py::test_statistics_are_those_of_the_batches",
    ),
    "fast learning forgets half of the statistics": Mutation(
        "fast/learning.py",
        {"B.mul_(fade).addmm_": "B.mul_(1).addmm_"},
        "test_fast_learning.py::test_statistics_are_those_of_the_batches",
    ),
    "fast learning lets the atoms of a block ignore each other": Mutation(
        "fast/learning.py",
        {"lacking.addr_(A[rows, start + j], new - atom, alpha=-1)": "pass"},
        "test_fast_learning.py::test_atoms_are_updated_as_in_the_readable_learner",
    ),
    "fast learning lets its codes step too far": Mutation(
        "fast/learning.py",
        {"1 / float(largest)": "4 / float(largest)"},
        "test_fast_learning.py::test_codes_get_better_until_they_are_best",
    ),
    "fast learning loses what an interrupt left": Mutation(
        "fast/learning.py",
        {"Dictionary(learner.W.T)": "Dictionary(learner.W.T * (1 - run.interrupted) + 1)"},
        "test_fast_learning.py::test_an_interrupt_keeps_what_was_learned",
    ),
    "a run makes its last step twice": Mutation(
        "checkpoint.py",
        {"if number <= self.steps:": "if number < self.steps:"},
        "test_larger_than_memory.py::test_stopped_and_called_again_it_ends_as_if_undisturbed",
    ),
    "an interrupt is written down in the middle of a step": Mutation(
        "checkpoint.py",
        {"  # in the middle of a step: nothing is written": "\n            self.write()"},
        "test_larger_than_memory.py::test_a_step_that_is_cut_short_is_made_again",
    ),
    "the stop button does not wait": Mutation(
        "checkpoint.py",
        {"if self.pressed:": "if True:"},
        "test_larger_than_memory.py::test_the_stop_button_waits_for_the_chunk_at_hand",
    ),
    "CSR loses what it grows by": Mutation(
        "fast/csr.py",
        {"self.array[before:] = part.numpy()": "pass"},
        "test_larger_than_memory.py::test_sparse_codes_are_the_dense_ones",
    ),
    "codes of other samples pass for these": Mutation(
        "fast/parts.py",
        {"if samples != fingerprint(batch):": "if not samples:"},
        "test_larger_than_memory.py::test_other_samples_are_refused",
    ),
    "a part that is there is made again": Mutation(
        "fast/parts.py",
        {"store.read(number, batch) if store else None": "None"},
        "test_larger_than_memory.py::test_half_a_run_is_gone_on_with",
    ),
    "pages of a memory map stay": Mutation(
        "fast/streams.py",
        {"base.madvise(mmap.MADV_DONTNEED)": "pass"},
        "test_larger_than_memory.py::test_pages_of_a_memory_map_are_given_back",
    ),
    "what was written to a private map is lost": Mutation(
        "fast/streams.py",
        {'("r", "r+")': '("r", "r+", "c")'},
        "test_larger_than_memory.py::test_pages_of_a_memory_map_are_given_back",
    ),
    "LISTA steps uphill": Mutation(
        "lista.py",
        {"z + A.adjoint(": "z - A.adjoint("},
        "test_lista.py::test_untrained_equals_ista",
    ),
    "LISTA's thresholds learn the wrong way": Mutation(
        "lista.py",
        {"-outward.sum_to_size": "outward.sum_to_size"},
        "test_lista.py::test_gradient_against_finite_differences",
    ),
    "LISTA without back-propagation through time": Mutation(
        "lista.py",
        {"residual = y - B.decode(z)": "z = z.detach() if k else z; residual = y - B.decode(z)"},
        "test_lista.py::test_gradient_reaches_every_step",
    ),
    "LISTA at learning rate 0": Mutation(
        "lista.py",
        {'"lr": learning_rate * scale[name]': '"lr": 0 * scale[name]'},
        "test_lista.py::test_training_pays_off_on_samples_never_seen",
    ),
    "LISTA left untrained": Mutation(
        "lista.py",
        {"            optimiser.step()\n": ""},
        "test_lista.py::test_training_pays_off_on_samples_never_seen",
    ),
    "LISTA climbs the energy": Mutation(
        "lista.py",
        {"loss.backward()": "(-loss).backward()"},
        "test_lista.py::test_training_pays_off_on_samples_never_seen",
    ),
    "LISTA's steps go past 2/L": Mutation(
        "lista.py",
        {"2 * torch.sigmoid(self.step_logit)": "(1 + self.step_logit.abs())"},
        "test_lista.py::test_no_step_goes_past_two_over_l",
    ),
    "LISTA keeps its thresholds for every λ": Mutation(
        "lista.py",
        {"share * threshold[k]": "threshold[k]"},
        "test_lista.py::test_another_lambda_scales_the_thresholds",
    ),
    "LISTA trusts everything": Mutation(
        "lista.py",
        {"<= (self.trusted_gap": ">= 0 * (self.trusted_gap"},
        "test_lista.py::test_trusts_what_it_knows_and_nothing_else",
    ),
    "turn a Gabor function the wrong way": Mutation(
        "course/gabor.py",
        {"v * g_u - u * g_v": "u * g_v - v * g_u"},
        "test_gabor.py::test_derivatives_are_those_of_autograd",
    ),
    "take columns for rows": Mutation(
        "course/gabor.py",
        {"[column.flatten(), row.flatten()]": "[row.flatten(), column.flatten()]"},
        "test_gabor.py::test_a_wave_along_a_row_has_upright_stripes",
    ),
    "leave the Gabor fit where it starts": Mutation(
        "course/gabor.py",
        {"better = trial_error < error": "better = trial_error < -error"},
        "test_gabor.py::test_known_functions_are_found_again",
    ),
    "measure R² in a patch of another size": Mutation(
        "course/gabor.py",
        {"r2=1 - (y - fit).square()": "r2=1 - 0.5 * (y - fit).square()"},
        "test_gabor.py::test_r2_is_what_the_patches_say",
    ),
    "draw what the slider said at first": Mutation(
        "course/widgets/panel.py",
        {"values = self.values\n        try": "values = self._start\n        try"},
        "test_widgets.py::test_only_the_newest_value_is_drawn",
    ),
    "swallow an error of the drawing": Mutation(
        "course/widgets/panel.py",
        {"return self._error_html(error, values)": "return self.html"},
        "test_widgets.py::test_an_exception_is_shown_and_the_next_good_value_clears_it",
    ),
    "draw every value, not the newest alone": Mutation(
        "course/widgets/panel.py",
        {"if self._drawing or self._resetting": "if self._resetting"},
        "test_widgets.py::test_only_the_newest_value_is_drawn",
    ),
    "lose what changes during a drawing": Mutation(
        "course/widgets/panel.py",
        {"self._drawing, self._due = self._due, False": "self._drawing = self._due = False"},
        "test_widgets.py::test_only_the_newest_value_is_drawn",
    ),
    "the playground's solvers take more steps": Mutation(
        "course/widgets/playground.py",
        {'exact = {"tol": None, "max_iter": steps}': 'exact = {"tol": None, "max_iter": 9}'},
        "test_playground.py::test_each_solver_stops_after_the_steps_of_the_slider",
    ),
    "the playground's scale follows λ": Mutation(
        "course/widgets/playground.py",
        {"self.limit(data, y)": "ceiling(max(float(z.abs().max()) for z in codes))"},
        "test_playground.py::test_no_axis_moves_while_a_slider_does",
    ),
    "the playground's curves are not logarithms": Mutation(
        "course/widgets/playground.py",
        {"math.log10(max(100 * one, LEAST))": "max(100 * one, LEAST)"},
        "test_playground.py::test_the_curves_are_logarithms_and_have_a_legend",
    ),
    "two solvers share a mark": Mutation(
        "course/widgets/playground.py",
        {'(VERMILION, "■")': '(VERMILION, "●")'},
        "test_playground.py::test_the_curves_are_logarithms_and_have_a_legend",
    ),
    "what is drawn is not shown": Mutation(
        "course/widgets/playground.py",
        {"panel.redraw()": "pass"},
        "test_playground.py::test_what_is_drawn_becomes_the_sample",
    ),
    "a wrong line of settings is half obeyed": Mutation(
        "course/widgets/keep.py",
        {
            "        if picture:\n            self.own.text = picture\n": "",
            "        self.panel.set(**values)": "        self.panel.set(**values)\n"
            "        if picture:\n            self.own.text = picture",
        },
        "test_keep.py::test_the_picture_goes_with_the_settings_while_it_is_shown",
    ),
    "settings beyond a slider's end are taken": Mutation(
        "course/widgets/keep.py",
        {"if not low * (1 - 1e-6) <= value <= high * (1 + 1e-6):": "if False:"},
        "test_keep.py::test_a_wrong_line_is_told_and_changes_nothing",
    ),
    "a line that was only shown is opened": Mutation(
        "course/widgets/keep.py",
        {'if change["new"] != self._told:': "if True:"},
        "test_keep.py::test_the_line_follows_the_controls_and_opens_them_again",
    ),
    "the link of the last figure stays": Mutation(
        "course/widgets/keep.py",
        {'self.saved.value = ""': "pass"},
        "test_keep.py::test_the_figure_is_saved_under_a_name_with_the_settings",
    ),
    "show another step than the slider's": Mutation(
        "course/widgets/atoms.py",
        {"run.snapshots[step]": "run.snapshots[1]"},
        "test_atoms.py::test_the_step_slider_stops_at_the_snapshots_and_shows_them",
    ),
    "show other atoms than the slider's": Mutation(
        "course/widgets/atoms.py",
        {"self.atoms[value]": "self.atoms[min(self.atoms)]"},
        "test_atoms.py::test_the_slider_over_dictionaries_shows_the_one_it_says",
    ),
    "a Gabor by hand without its sine": Mutation(
        "course/widgets/atoms.py",
        {"[*place, 0.0, 1.0]": "[*place, 1.0, 1.0]", "[*place, 1.0, 0.0]": "[*place, 1.0, 1.0]"},
        "test_atoms.py::test_a_gabor_by_hand_is_right_when_the_sliders_are",
    ),
    "phases go the long way round": Mutation(
        "course/atoms.py",
        {"spectrum.angle() + torch.pi, 2 * torch.pi) - torch.pi": "spectrum.angle(), 7)"},
        "test_shipped_atoms.py::test_a_share_of_the_way_keeps_the_amplitudes_and_goes_the_short_way",
    ),
    "the figures of another fold": Mutation(
        "course/atoms.py",
        {"replace(one, fold=fold)": "replace(one, fold=0)"},
        "test_shipped_atoms.py::test_ranges_go_over_the_folds",
    ),
    "learn from the pictures that are held out": Mutation(
        "course/atoms.py",
        {"every.pop(name)": "every[name]"},
        "test_shipped_atoms.py::test_no_picture_is_learned_from_and_held_out",
    ),
    "a stop gives another value than it says": Mutation(
        "course/widgets/panel.py",
        {"options=[(number(value), value) for": "options=[(number(value), -value) for"},
        "test_widgets.py::test_stops_say_the_values_that_they_give",
    ),
    "an exported page mixes up its two controls": Mutation(
        "course/widgets/page.py",
        {"rows.append([readouts_html(shown)": "rows.insert(0, [readouts_html(shown)"},
        "test_widgets.py::test_a_page_has_the_controls_that_are_named_and_a_picture_for_every_choice",
    ),
    "leave a bar behind that is done": Mutation(
        "progress.py",
        {"place.remove(row)": "pass"},
        "test_progress.py::test_a_bar_comes_and_goes",
    ),
    "a message at each step of a training": Mutation(
        "progress.py",
        {"BETWEEN = 0.1": "BETWEEN = 0.0"},
        "test_progress.py::test_many_quick_steps_are_few_messages",
    ),
    "read the shipped trainings where longer ones are asked for": Mutation(
        "course/settled.py",
        {"if folder else shipped": "if False else shipped"},
        "test_settled.py::test_shipped_trainings_are_read_elsewhere_where_told_so",
    ),
    "forget which live pages were shown": Mutation(
        "course/widgets/live.py",
        {"self.displayed[self.model_id] = self": "pass"},
        "test_only_panels.py::test_what_a_kernel_has_shown_is_exported",
    ),
    "send the middle of the ball, without noise": Mutation(
        "course/vae.py",
        {"self.mean + self.variance.sqrt() * noise": "self.mean + 0 * noise"},
        "test_vae.py::test_terms_by_hand",
    ),
    "turn the spring round": Mutation(
        "course/vae.py",
        {"spring=self.spring * balls": "spring=-self.spring * balls"},
        "test_vae.py::test_terms_by_hand",
    ),
    "drop the price on size": Mutation(
        "course/vae.py",
        {"size=self.size * size_term": "size=0 * size_term"},
        "test_vae.py::test_size_price_keeps_balls_from_becoming_dots",
    ),
    "drop the spring of the KL": Mutation(
        "course/vae.py",
        {"spring=self.spring * balls": "spring=0 * balls"},
        "test_vae.py::test_halves_are_the_kl_divergence_of_torch",
    ),
    "turn the log-variance round": Mutation(
        "course/vae.py",
        {"LOG_VARIANCE).exp()": "LOG_VARIANCE).neg().exp()"},
        "test_vae.py::test_terms_by_hand",
    ),
    "add the logarithm of the variance": Mutation(
        "course/vae.py",
        {"return variance - variance.log() - 1": "return variance + variance.log() - 1"},
        "test_vae.py::test_size_term_is_lowest_at_one",
    ),
    "halve the distance in the overlap": Mutation(
        "course/vae.py",
        {"0.25 * (m[:, None]": "0.125 * (m[:, None]"},
        "test_vae.py::test_overlap_of_equal_radii",
    ),
    "lose the ½ of k*": Mutation(
        "course/vae.py",
        {"len(y) / (2 * sigma**2)": "len(y) / sigma**2"},
        "test_vae.py::test_collapse_spring_is_the_top_eigenvalue",
    ),
    "start the warm-up lower": Mutation(
        "course/balls.py",
        {"else 0.2 + 0.8": "else 0.1 + 0.9"},
        "test_shipped_balls.py::test_the_parts_of_the_training",
    ),
    "take the accuracies of one seed for all": Mutation(
        "course/few_labels.py",
        {"{count}/{seed}": "{count}/0"},
        "test_few_labels.py::test_seeds_in_rows_and_numbers_of_labels_in_columns",
    ),
    "let the class numbers pile up": Mutation(
        "course/plots/vae.py",
        {"places = places + 0.55": "places = places + 0.0"},
        "test_panels_drawn.py::test_class_numbers_do_not_lie_over_each_other",
    ),
    "tilt another valley": Mutation(
        "course/widgets/vae.py",
        {'a["T"] / 2 * size_term': 'a["T"] * size_term'},
        "test_panels_drawn.py::test_valley",
    ),
    "convolve without flipping": Mutation(
        "conv.py",
        {"spectrum = sum(one.conj() * r": "spectrum = sum(one * r"},
        "test_conv.py::test_equals_its_toeplitz_matrix",
    ),
    "lose a colour channel": Mutation(
        "conv.py",
        {"for one in K.unbind(1)], 1)": "for one in K.unbind(1)[:1] * K.shape[1]], 1)"},
        "test_conv.py::test_equals_its_toeplitz_matrix",
    ),
    "move the image by a pixel": Mutation(
        "conv.py",
        {"maps, grid)), s=grid), size)": "maps, grid)), s=grid), size).roll(1, -1)"},
        "test_conv.py::test_equals_its_toeplitz_matrix",
    ),
    "a Lipschitz constant that is too small": Mutation(
        "conv.py",
        {"float(M.sum(1).max()) / slack": "float(M.sum(1).mean())"},
        "test_conv.py::test_lipschitz_bounds_the_largest_eigenvalue",
    ),
    "take images smaller than the kernels": Mutation(
        "conv.py",
        {"if any(side < kernel": "if any(side < 0 * kernel"},
        "test_conv.py::test_images_that_do_not_fit",
    ),
    "turn the lags round": Mutation(
        "conv_learning.py",
        {"pairs[1:].flip(-2, -1)": "pairs[1:]"},
        "test_conv_learning.py::test_correlations_by_their_definition",
    ),
    "every process correlates the whole batch": Mutation(
        "conv_learning.py",
        {"self.correlations(self.workers.share(rows))": "self.correlations(rows)"},
        "test_conv_learning.py::test_shares_of_a_batch_add_up",
    ),
    "kernels step uphill": Mutation(
        "conv_learning.py",
        {"(overlap - self.B[i]) / curvature": "(self.B[i] - overlap) / curvature"},
        "test_conv_learning.py::test_sweeps_never_raise_their_objective",
    ),
    "kernels take steps that are too long": Mutation(
        "conv_learning.py",
        {"/ curvature[i])": "/ (0.2 * curvature[i]))"},
        "test_conv_learning.py::test_sweeps_never_raise_their_objective",
    ),
    "move a kernel without its codes": Mutation(
        "conv_learning.py",
        {"shift(self.codes[:, i], down[i], right[i])": "self.codes[:, i]"},
        "test_conv_learning.py::test_recentring_moves_kernels_and_leaves_the_images",
    ),
    "leave unused kernels unused": Mutation(
        "conv_learning.py",
        {"self.K[dead] = self.feasible(pieces[worst])": "pass"},
        "test_conv_learning.py::test_a_kernel_that_no_image_uses_is_replaced",
    ),
    "angles the wrong way round": Mutation(
        "course/kernels.py",
        {"torch.atan2(-f[:, None]": "torch.atan2(f[:, None]"},
        "test_kernels.py::test_oriented_kernels",
    ),
    "the light side is the dark one": Mutation(
        "course/kernels.py",
        {"profile.argmax() > profile.argmin()": "profile.argmax() < profile.argmin()"},
        "test_kernels.py::test_the_light_side_of_an_edge",
    ),
    "everything is centre-surround": Mutation(
        "course/kernels.py",
        {"ROUND = 0.75": "ROUND = 0.1"},
        "test_kernels.py::test_oriented_kernels",
    ),
    "a surround is not asked for": Mutation(
        "course/kernels.py",
        {"SURROUND = 0.2": "SURROUND = -1.0"},
        "test_kernels.py::test_a_blob_has_no_surround",
    ),
    "the surround has the sign of the centre": Mutation(
        "course/kernels.py",
        {"-part.clamp(max=0).sum()": "part.clamp(min=0).sum()"},
        "test_kernels.py::test_a_blob_has_no_surround",
    ),
    "an edge with one side": Mutation(
        "course/kernels.py",
        {"BOTH = 0.5": "BOTH = 0.01"},
        "test_kernels.py::test_an_edge_has_two_sides",
    ),
    "pairs of edges that point the same way": Mutation(
        "course/kernels.py",
        {"% 360 - 180) - 180)": "% 360 - 180))"},
        "test_kernels.py::test_opposite_pairs",
    ),
    "patches that are not moved": Mutation(
        "course/plots/conv.py",
        {"codes[0].roll(way, (1, 2))": "codes[0]"},
        "test_conv_panel.py::test_how_far_codes_are_from_the_moved_ones",
    ),
    "grey counted as colour": Mutation(
        "course/widgets/conv.py",
        {"(off - off.mean(0)).square()": "off.square()"},
        "test_conv_panel.py::test_what_is_left_of_colour_and_grey",
    ),
    "channels of unequal variance": Mutation(
        "course/families.py",
        {"(values.mean() / values).sqrt()": "(values / values.mean()).sqrt()"},
        "test_families.py::test_channels",
    ),
    "held out, though all were asked for": Mutation(
        "course/families.py",
        {"learned | held_out if every else learned": "learned"},
        "test_families.py::test_all_photographs_or_without_two",
    ),
    "take torch's own error for a reader who has not begun": Mutation(
        "course/exercises/attempt.py",
        {' and "raise" in line': ""},
        "test_your_turn.py::test_one_number_and_several_values",
    ),
    "say one number twice, as a range": Mutation(
        "course/claims.py",
        {"dict.fromkeys(ends)": "ends"},
        "test_claims.py::test_functions_of_the_rules",
    ),
    "count the mean as a direction": Mutation(
        "course/kernels.py",
        {"(radius > 0) & (radius": "(radius >= 0) & (radius"},
        "test_kernels.py::test_turning_a_kernel_turns_its_label",
    ),
    "ignore tol": Mutation(
        "energies.py",
        {"gap <= tol * self.dual": "gap <= 1 * self.dual"},
        "test_energies.py::test_done_by_hand",
    ),
    "take rounding for ten times what it is": Mutation(
        "energies.py",
        {"gap <= self.rounding": "gap <= 10 * self.rounding"},
        "test_energies.py::test_done_by_hand",
    ),
    "call NaN done": Mutation(
        "energies.py",
        {"(gap <= tol * self.dual.clamp(min=0))": "~(gap > tol * self.dual.clamp(min=0))"},
        "test_energies.py::test_done_by_hand",
    ),
    "turn the dual point round for non-negative codes": Mutation(
        "energies.py",
        {"least = -most if": "least = -most if True or"},
        "test_energies.py::test_a_residual_that_points_away_proves_nothing_for_nonnegative_codes",
    ),
    "a dual norm without weights": Mutation(
        "penalties.py",
        {"c / self.weights.to(c)": "c"},
        "test_penalties.py::test_the_dual_norm_is_dual",
        "L1.dual_norm",
    ),
    "shrink without weights": Mutation(
        "penalties.py",
        {"t * self.weights.to(v)": "t"},
        "test_penalties.py::test_prox_is_the_minimiser",
    ),
    "shorten groups twice as much": Mutation(
        "penalties.py",
        {"1 - t / norms": "1 - 2 * t / norms"},
        "test_penalties.py::test_prox_is_the_minimiser",
    ),
    "the dual norm of groups is their sum": Mutation(
        "penalties.py",
        {".amax(1)": ".sum(1)"},
        "test_penalties.py::test_the_dual_norm_is_dual",
        "GroupL1.dual_norm",
    ),
    "a distance without weights": Mutation(
        "penalties.py",
        {"lam * self.weights.to(z)": "lam"},
        "test_penalties.py::test_distance_by_hand",
    ),
    "a distance that forgets where a group points": Mutation(
        "penalties.py",
        {"* towards": "* 0"},
        "test_penalties.py::test_distance_by_hand",
    ),
    "keep what was computed from other atoms": Mutation(
        "operators.py",
        {"(known or _same": "(True or _same"},
        "test_own_operator.py::test_changed_atoms_are_noticed",
    ),
    "keep the twin in float64 of other atoms": Mutation(
        "operators.py",
        {"self.recall(_to_float64)": 'self.__dict__.setdefault("_twin", _to_float64(self))'},
        "test_own_operator.py::test_changed_atoms_are_noticed",
    ),
    "leave autocast on": Mutation(
        "operators.py",
        {"enabled=False": "enabled=torch.is_autocast_enabled(device)"},
        "test_own_operator.py::test_autocast_and_inference_mode_change_nothing",
    ),
    "solve rows with the λ of other rows": Mutation(
        "problem.py",
        {"lam=self.lam[rows]": "lam=self.lam[: len(self.y[rows])]"},
        "test_codes.py::test_more_samples_than_a_piece_and_a_chunk",
    ),
    "let those go that are not done": Mutation(
        "solvers.py",
        {"torch.nonzero(~done)": "torch.nonzero(done)"},
        "test_solvers.py::test_everything_with_a_certificate_converges",
    ),
    "keep the name of who was not good enough": Mutation(
        "solvers.py",
        {"self.made_by[place] = name": "pass"},
        "test_codes.py::test_more_samples_than_a_piece_and_a_chunk",
    ),
    "give the energies to other rows": Mutation(
        "solvers.py",
        {"self.energy[places] =": "self.energy[: len(places)] ="},
        "test_codes.py::test_more_samples_than_a_piece_and_a_chunk",
    ),
    "never doubt the energies of C": Mutation(
        "fast/codes.py",
        {"if doubtful.any()": "if False"},
        "test_codes.py::test_where_c_cannot_the_residual_certifies",
    ),
    "keep every start": Mutation(
        "fast/codes.py",
        {"if len(far)": "if False"},
        "test_codes.py::test_a_start_that_is_worse_than_none_is_left",
    ),
    "ask the fast solver for least squares": Mutation(
        "fast/codes.py",
        {"if not problem.free": "if True"},
        "test_codes.py::test_more_samples_than_a_piece_and_a_chunk",
    ),
    "drop the last rows": Mutation(
        "fast/codes.py",
        {"range(0, len(problem), chunk)": "range(0, len(problem) // chunk * chunk, chunk)"},
        "test_codes.py::test_more_samples_than_a_piece_and_a_chunk",
    ),
    "leave every 64th row unsolved": Mutation(
        "fast/codes.py",
        {"min(first + PIECE,": "min(first + PIECE - 1,"},
        "test_codes.py::test_more_samples_than_a_piece_and_a_chunk",
    ),
    "C: leave every 64th row unsolved": Mutation(
        "fast/codes.c",
        {"i < last; i++": "i < last - (last % 64 == 0); i++"},
        "test_codes.py::test_more_samples_than_a_piece_and_a_chunk",
    ),
    "hand images on with the λ of other images": Mutation(
        "fast/images.py",
        {
            "run_admm(ledger.problem.pick(late)": "run_admm("
            "replace(ledger.problem.pick(late), lam=ledger.problem.lam[: int(late.sum())])"
        },
        "test_admm.py::test_descent_that_takes_long_is_handed_on",
    ),
    "learning loses what an interrupt left": Mutation(
        "learning.py",
        {"dictionary = Dictionary(W)": "dictionary = Dictionary(W + int(run.interrupted))"},
        "test_learning.py::test_an_interrupt_keeps_what_was_learned",
    ),
    "learning of kernels loses what an interrupt left": Mutation(
        "conv_learning.py",
        {"dictionary = ConvDictionary(learner.K)": "dictionary = ConvDictionary(1 - learner.K)"},
        "test_conv_learning.py::test_an_interrupt_keeps_what_was_learned",
    ),
    "LISTA loses what an interrupt left": Mutation(
        "lista.py",
        {"interrupted = True": "interrupted = bool(lista.load_state_dict(start))"},
        "test_lista.py::test_an_interrupt_keeps_what_was_learned",
    ),
    "LISTA keeps a training that did harm": Mutation(
        "lista.py",
        {"lista.load_state_dict(start)": "pass"},
        "test_lista.py::test_bad_training_is_undone",
    ),
    "hand C entries of another type": Mutation(
        "fast/compiled.py",
        {"in_place and value.dtype == self.dtype": "in_place"},
        "test_calls.py::test_a_slip_in_a_call_is_an_error",
    ),
    "hand C entries that are not side by side": Mutation(
        "fast/compiled.py",
        {" and value.is_contiguous()": ""},
        "test_calls.py::test_a_slip_in_a_call_is_an_error",
        "Pointer.suits",
    ),
    "load what others can write": Mutation(
        "fast/compiled.py",
        {"is_private(path) and": ""},
        "test_compiled.py::test_what_others_may_have_put_there_is_not_loaded",
    ),
    "load what is damaged": Mutation(
        "fast/compiled.py",
        {"path.name == _full_name(file, dtype, path.read_bytes())": "True"},
        "test_compiled.py::test_a_damaged_library_is_made_anew[one bit]",
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_place_is_still_there(name):
    """Once, and only once: otherwise the list has to follow the code."""
    mutation = MUTATIONS[name]
    mutation.plant((ROOT / "rlvebm_utils" / mutation.module).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """For the package as it is and each mutation: pytest's exit code and which tests failed."""
    folder = tmp_path_factory.mktemp("mutations")
    runs = []
    for i, mutation in enumerate([Mutation("", {}, ""), *MUTATIONS.values()]):
        copy = folder / str(i)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "rlvebm_utils", copy / "rlvebm_utils", ignore=ignore)
        all_tests = {m.seen_by for m in MUTATIONS.values()}
        tests = [mutation.seen_by] if mutation.seen_by else sorted(all_tests)
        for file in {
            "problems.py",
            "table.py",
            "drawn.py",
            *(test.split("::")[0] for test in tests),
        }:
            shutil.copy(ROOT / "tests" / file, copy)
        (copy / "pytest.ini").write_text("[pytest]\npythonpath = .\n", encoding="utf-8")
        if mutation.module:
            path = copy / "rlvebm_utils" / mutation.module
            path.write_text(mutation.plant(path.read_text(encoding="utf-8")), encoding="utf-8")
        runs.append((str(copy), tests))

    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {"PYTHONPATH": str(ROOT)}  # for tools/; the package is the copy's, see Failures
    env |= {"RLVEBM_CACHE": str(folder / "compiled")}  # spoilt loops are for this folder only
    results = folder / "results.json"
    done = subprocess.run(
        [sys.executable, __file__, str(results)],
        input=json.dumps(runs),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=env | {"PYTHONIOENCODING": "utf-8"},
        cwd=folder,
        timeout=3600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(zip([None, *MUTATIONS], json.loads(results.read_text()), strict=True))


def test_the_package_as_it_is_passes(outcomes):
    assert outcomes[None] == [pytest.ExitCode.OK, []]


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_turns_a_test_red(name, outcomes):
    code, failed = outcomes[name]
    assert code == pytest.ExitCode.TESTS_FAILED
    assert failed[0].startswith(MUTATIONS[name].seen_by)


class Failures:
    """A pytest plugin that notes which tests failed, and that they met the copy."""

    def __init__(self, folder: str):
        self.folder, self.failed = folder, []

    def pytest_collection_finish(self):
        used = Path(sys.modules["rlvebm_utils"].__file__)
        assert used.is_relative_to(self.folder), f"{used} was tested, not {self.folder}"

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.append(report.nodeid)


def run_one(folder: str, tests: list[str]):
    for name in list(sys.modules):
        if name.split(".")[0] in ("rlvebm_utils", "problems", "table", "tools") or name.startswith(
            "test_"
        ):
            del sys.modules[name]
    os.chdir(folder)
    plugin = Failures(folder)
    quick = ["--assert=plain", "-p", "no:unraisableexception", "-p", "no:cacheprovider"]
    options = ["-x", "-q", "--no-header", "--tb=line", *quick]
    code = pytest.main([*options, f"--rootdir={folder}", *tests], plugins=[plugin])
    return int(code), plugin.failed


if __name__ == "__main__":
    outcome = [run_one(folder, tests) for folder, tests in json.load(sys.stdin)]
    Path(sys.argv[1]).write_text(json.dumps(outcome), encoding="utf-8")
