from nst_tf.evaluation.flicker import Steadiness as Steadiness
from nst_tf.evaluation.flicker import steadiness as steadiness
from nst_tf.evaluation.noise import high_frequency_share as high_frequency_share
from nst_tf.evaluation.scores import Score as Score
from nst_tf.evaluation.scores import as_csv as as_csv
from nst_tf.evaluation.scores import as_text as as_text
from nst_tf.evaluation.scores import evaluate as evaluate
