"""Whether lower or higher values of a metric are better: as declared in a document, or from a list of exact names.

A metric that is neither declared nor listed has no direction: none of its values is the best, and no version is chosen
for removal because of it. The list is printed in ``docs/reference/metrics.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..core import values
from .settings_errors import Path, SettingsSource

LOWER, HIGHER = "lower", "higher"
#: The key of ``registry.yaml``, ``group.yaml`` and ``model.yaml`` that declares directions.
KEY = "metrics"

#: Names are compared without case, and ``-`` and spaces count as ``_``: ``F1-Score`` is ``f1_score``.
NAMES: Mapping[str, tuple[str, ...]] = {
    HIGHER: (
        # classification
        "acc", "accuracy", "balanced_accuracy", "balanced_acc", "binary_accuracy", "categorical_accuracy",
        "sparse_categorical_accuracy", "top_k_accuracy", "top_k_categorical_accuracy", "subset_accuracy",
        "top1", "top5", "top_1", "top_5", "top1_acc", "top5_acc", "top1_accuracy", "top5_accuracy", "top_1_accuracy",
        "top_5_accuracy", "exact_match", "auc", "roc_auc", "auroc", "auc_roc", "roc_auc_score", "roc_auc_ovr",
        "roc_auc_ovo", "auc_mu", "pr_auc", "auc_pr", "aucpr", "auprc", "average_precision", "average_precision_score",
        "ap", "f1", "f1_score", "f1_macro", "f1_micro", "f1_weighted", "f1_samples", "macro_f1", "micro_f1",
        "weighted_f1", "fbeta", "fbeta_score", "f0.5", "f2", "f2_score", "precision", "precision_score",
        "precision_macro", "precision_micro", "precision_weighted", "macro_precision", "micro_precision",
        "weighted_precision", "recall", "recall_score", "recall_macro", "recall_micro", "recall_weighted",
        "macro_recall", "micro_recall", "weighted_recall", "sensitivity", "specificity", "tpr", "tnr",
        "true_positive_rate", "true_negative_rate", "ppv", "npv", "mcc", "matthews_corrcoef", "cohen_kappa",
        "cohen_kappa_score", "kappa", "quadratic_weighted_kappa", "jaccard", "jaccard_score", "jaccard_index", "gmean",
        # regression, correlation, survival
        "r2", "r2_score", "r_squared", "rsquared", "adjusted_r2", "adj_r2", "explained_variance",
        "explained_variance_score", "d2_absolute_error_score", "d2_pinball_score", "d2_tweedie_score", "pearson",
        "pearsonr", "pearson_r", "spearman", "spearmanr", "spearman_r", "kendall_tau", "kendalltau", "ccc", "c_index",
        "cindex", "concordance_index", "log_likelihood", "loglikelihood",
        # ranking and retrieval
        "map", "mean_average_precision", "ndcg", "ndcg_score", "dcg", "mrr", "mean_reciprocal_rank", "hit_rate", "hits",
        "mean_recall",
        # vision
        "iou", "miou", "mean_iou", "dice", "dice_score", "dice_coefficient", "map50", "map75", "map_50", "map_75",
        "map50_95", "map_50_95", "psnr", "ssim", "ms_ssim", "inception_score", "clip_score",
        # text and speech
        "bleu", "bleu1", "bleu2", "bleu3", "bleu4", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "sacrebleu", "chrf",
        "chrf++", "meteor", "rouge", "rouge1", "rouge2", "rougel", "rougelsum", "rouge_1", "rouge_2", "rouge_l",
        "rouge_lsum", "rouge_score", "cider", "spice", "bertscore", "bert_score", "bertscore_f1", "bleurt", "comet",
        "mos", "pesq", "stoi", "si_sdr", "sdr",
        # clustering
        "silhouette", "silhouette_score", "calinski_harabasz", "calinski_harabasz_score", "ari", "adjusted_rand_score",
        "adjusted_rand_index", "rand_score", "rand_index", "nmi", "normalized_mutual_info_score", "ami",
        "adjusted_mutual_info_score", "v_measure", "v_measure_score", "homogeneity", "homogeneity_score",
        "completeness", "completeness_score", "fowlkes_mallows", "fowlkes_mallows_score",
        # reinforcement learning, speed
        "reward", "mean_reward", "episode_reward", "episode_reward_mean", "success_rate", "win_rate", "throughput",
        "samples_per_second", "steps_per_second", "tokens_per_second", "requests_per_second", "images_per_second",
        "qps", "rps", "fps",
    ),
    LOWER: (
        # losses
        "loss", "log_loss", "logloss", "binary_logloss", "multi_logloss", "mlogloss", "cross_entropy", "crossentropy",
        "binary_crossentropy", "binary_cross_entropy", "categorical_crossentropy", "sparse_categorical_crossentropy",
        "cross_entropy_loss", "xent", "bce", "bce_loss", "ce_loss", "hinge", "hinge_loss", "huber", "huber_loss",
        "focal_loss", "dice_loss", "triplet_loss", "contrastive_loss", "kl_loss", "mse_loss", "l1_loss", "smooth_l1_loss",
        "total_loss", "box_loss", "cls_loss", "dfl_loss", "obj_loss", "mask_loss", "hamming_loss",
        "zero_one_loss", "nll", "nll_loss", "negative_log_likelihood", "neg_log_likelihood", "poisson_nloglik", "gamma_nloglik",
        "cox_nloglik", "aft_nloglik", "gamma_deviance", "deviance", "mean_poisson_deviance", "mean_gamma_deviance",
        "mean_tweedie_deviance", "kl_div", "kl_divergence", "js_divergence",
        # errors
        "error", "error_rate", "err", "merror", "binary_error", "multi_error", "top1_error", "top5_error",
        "top_1_error", "top_5_error", "misclassification_rate", "l1", "l2", "mae", "mse", "rmse", "nrmse", "nmae",
        "rmsle", "msle", "rmsse", "mase", "mape", "smape", "wape", "wmape", "mdape", "medae", "mdae",
        "maxae", "rae", "rse", "rrse", "rmspe", "mspe", "mphe", "mean_absolute_error", "mean_squared_error",
        "root_mean_squared_error", "root_mean_square_error", "mean_squared_log_error", "mean_squared_logarithmic_error",
        "root_mean_squared_log_error", "median_absolute_error", "mean_absolute_percentage_error",
        "mean_absolute_scaled_error", "max_error", "pinball", "pinball_loss", "mean_pinball_loss", "quantile_loss",
        "crps", "winkler_score", "msis", "owa",
        # rates of errors, calibration, fairness
        "fpr", "fnr", "far", "frr", "eer", "false_positive_rate", "false_negative_rate", "false_discovery_rate",
        "equal_error_rate", "brier", "brier_score", "brier_score_loss", "ece", "mce", "expected_calibration_error",
        "maximum_calibration_error", "calibration_error", "regret",
        # information criteria
        "aic", "aicc", "bic", "hqic", "waic",
        # text, speech, images
        "ppl", "perplexity", "bpc", "bpd", "bpb", "bits_per_byte", "bits_per_character", "bits_per_dim", "wer", "cer",
        "ter", "der", "word_error_rate", "character_error_rate", "edit_distance",
        "levenshtein_distance", "fid", "kid", "fad", "fvd", "lpips", "niqe", "brisque", "chamfer_distance",
        "hausdorff_distance", "hd95", "epe", "ade", "fde",
        # clustering
        "davies_bouldin", "davies_bouldin_score",
        # time
        "latency", "latency_ms", "latency_s", "latency_us", "latency_p50", "latency_p90", "latency_p95", "latency_p99",
        "latency_p50_ms", "latency_p90_ms", "latency_p95_ms", "latency_p99_ms", "p50_latency", "p90_latency",
        "p95_latency", "p99_latency", "p50_latency_ms", "p90_latency_ms", "p95_latency_ms", "p99_latency_ms", "p50_ms",
        "p90_ms", "p95_ms", "p99_ms", "mean_latency_ms", "runtime", "runtime_s", "train_runtime", "duration",
        "duration_s", "duration_ms", "elapsed", "elapsed_s", "wall_time", "wall_time_s", "fit_time", "score_time",
        "train_time", "train_time_s", "training_time", "training_time_s", "inference_time", "inference_time_s",
        "inference_time_ms", "inference_ms", "inference_latency_ms", "time_per_sample",
    ),
}  # fmt: skip
#: Prefixes of a listed name for the data it was measured on, followed by one of ``_ / . - :`` or a space.
SPLITS = (
    "train", "training", "val", "valid", "validation", "valid_0", "valid_1", "validation_0", "validation_1", "dev", "eval",
    "evaluation", "test", "testing", "holdout", "oof", "cv",
)  # fmt: skip
#: The averages of scikit-learn's classification report, which are prefixes, too.
AVERAGES = ("micro_avg", "macro_avg", "weighted_avg", "samples_avg")
#: Names that may end with ``@`` and a number: ``precision@5``.
AT = ("precision", "recall", "ndcg", "map", "mrr", "hits", "hit_rate", "accuracy", "acc", "f1", "pass", "dcg", "top")
#: Prefixes of a lower-is-better name for values that are multiplied by -1, as scikit-learn's scores.
NEGATED = ("neg_", "negative_")

_LISTED: Mapping[str, str] = {name: direction for direction, names in NAMES.items() for name in names}
_SPLIT = "|".join(sorted(SPLITS, key=len, reverse=True))
_AVERAGE = "|".join(AVERAGES)
_PREFIX = re.compile(rf"(?:(?:{_SPLIT})[_/.:])?(?:(?:{_AVERAGE})[_/.:])?")
_SUFFIX = re.compile(rf"[_/.:](?:{_SPLIT})\Z")
_AT = re.compile(r"@[0-9]{1,6}\Z", re.ASCII)
_AS_UNDERSCORE = re.compile("[- ]")


def listed_direction(name: str) -> str | None:
    """Return the direction of a metric in the list: ``lower``, ``higher``, or None for a name that is not in it.

    The name may have a split of the data before or after it (``val_loss``, ``auc_test``); full names take precedence.
    """
    name = _AS_UNDERSCORE.sub("_", name.lower())
    start = _PREFIX.match(name)
    for rest in (name, name[start.end() :] if start else name, _SUFFIX.sub("", name)):
        if direction := _match_listed(rest):
            return direction
    return None


def _match_listed(name: str) -> str | None:
    if direction := _LISTED.get(name):
        return direction
    for prefix in NEGATED:
        if name.startswith(prefix):
            return HIGHER if _LISTED.get(name[len(prefix) :]) == LOWER else None
    return HIGHER if _AT.search(name) and _AT.sub("", name) in AT else None


class Directions:
    """The directions of metrics: declared for a model, else from the list."""

    def __init__(self, declared: Mapping[str, tuple[str, SettingsSource]] | None = None) -> None:
        self.declarations = dict(declared or {})

    @classmethod
    def parse(cls, value: Any, source: SettingsSource) -> Directions:
        """Parse the value of ``metrics`` in a document. Raises :class:`InvalidInput` with its line."""
        if value is None:
            return cls()
        if not isinstance(value, Mapping):
            raise source.error((KEY,), "is not a mapping", "use 'name: lower' or 'name: higher' lines below it")
        found = {}
        for name, direction in value.items():
            source.checked((KEY, name), values.key, name)
            if direction not in (LOWER, HIGHER):
                raise source.error((KEY, name), f"'{str(direction)[:40]}' is not a direction", "use lower or higher")
            found[name] = direction, source
        return cls(found)

    def over(self, other: Directions) -> Directions:
        """Join with the directions of a wider document, which count for the names that these do not declare."""
        return Directions({**other.declarations, **self.declarations})

    def declared(self, name: str) -> str | None:
        """Return the declared direction: ``lower``, ``higher``, or None."""
        found = self.declarations.get(name)
        return found[0] if found else None

    def direction(self, name: str) -> str | None:
        """Return the direction of a metric: ``lower``, ``higher``, or None if it is not known."""
        return self.declared(name) or listed_direction(name)

    def better(self, name: str, before: float | None, after: float | None) -> bool | None:
        """Return whether ``after`` is better than ``before``; None if that is not known, or they are equal."""
        direction = self.direction(name)
        if direction is None or before is None or after is None or before == after:
            return None
        return (after < before) == (direction == LOWER)

    def lines(self) -> Iterator[tuple[str, str, SettingsSource, Path]]:
        """Yield the declarations: name, direction, and place."""
        for name, (direction, source) in self.declarations.items():
            yield f"{KEY}.{name}", direction, source, (KEY, name)


#: The list alone, without declarations.
LISTED = Directions()
