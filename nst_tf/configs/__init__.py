"""Every setting of every job: default, unit, range, source and help, one file a job, and the presets.

Imports no TensorFlow. `fields` defines what a setting is; every flag of the command line is one of these settings.
"""

from nst_tf.configs.adain import AdainConfig as AdainConfig
from nst_tf.configs.app import AppConfig as AppConfig
from nst_tf.configs.client import ClientConfig as ClientConfig
from nst_tf.configs.commands import ARCHITECTURES as ARCHITECTURES
from nst_tf.configs.commands import CHECKPOINT_INTERVAL_S as CHECKPOINT_INTERVAL_S
from nst_tf.configs.commands import METHODS as METHODS
from nst_tf.configs.commands import BatchCommand as BatchCommand
from nst_tf.configs.commands import ClientCommand as ClientCommand
from nst_tf.configs.commands import DoctorCommand as DoctorCommand
from nst_tf.configs.commands import EvaluateCommand as EvaluateCommand
from nst_tf.configs.commands import ExportCommand as ExportCommand
from nst_tf.configs.commands import FigureCommand as FigureCommand
from nst_tf.configs.commands import SamplesCommand as SamplesCommand
from nst_tf.configs.commands import SheetCommand as SheetCommand
from nst_tf.configs.commands import StylizeCommand as StylizeCommand
from nst_tf.configs.commands import TrainCommand as TrainCommand
from nst_tf.configs.commands import VideoCommand as VideoCommand
from nst_tf.configs.commands import WeightsCommand as WeightsCommand
from nst_tf.configs.evaluation import EvaluationConfig as EvaluationConfig
from nst_tf.configs.export import ExportConfig as ExportConfig
from nst_tf.configs.figures import FIGURE_ANSWER as FIGURE_ANSWER
from nst_tf.configs.figures import FIGURE_NOISE_SEEDS as FIGURE_NOISE_SEEDS
from nst_tf.configs.figures import FIGURES as FIGURES
from nst_tf.configs.figures import FigureConfig as FigureConfig
from nst_tf.configs.figures import default_style as default_style
from nst_tf.configs.multi_style import MultiStyleConfig as MultiStyleConfig
from nst_tf.configs.one_style import OneStyleConfig as OneStyleConfig
from nst_tf.configs.one_style import OneStyleTrainingConfig as OneStyleTrainingConfig
from nst_tf.configs.optimisation import COLOUR_MAPS as COLOUR_MAPS
from nst_tf.configs.optimisation import COLOURS as COLOURS
from nst_tf.configs.optimisation import FINE_BLOCKS as FINE_BLOCKS
from nst_tf.configs.optimisation import PROPAGATIONS as PROPAGATIONS
from nst_tf.configs.optimisation import STARTS as STARTS
from nst_tf.configs.optimisation import TOTAL_VARIATIONS as TOTAL_VARIATIONS
from nst_tf.configs.optimisation import StyleTransferConfig as StyleTransferConfig
from nst_tf.configs.optimisation import as_config as as_config
from nst_tf.configs.optimisation import preset as preset
from nst_tf.configs.pipelines import BatchConfig as BatchConfig
from nst_tf.configs.pipelines import StyleAugmentConfig as StyleAugmentConfig
from nst_tf.configs.presets import PRESETS as PRESETS
from nst_tf.configs.presets import QUALITIES as QUALITIES
from nst_tf.configs.presets import WITHOUT_CLEANING as WITHOUT_CLEANING
from nst_tf.configs.presets import Preset as Preset
from nst_tf.configs.recolour import RecolourConfig as RecolourConfig
from nst_tf.configs.sheets import ALL_STYLES as ALL_STYLES
from nst_tf.configs.sheets import SheetConfig as SheetConfig
from nst_tf.configs.training import TrainingConfig as TrainingConfig
from nst_tf.configs.video import FILM_METHODS as FILM_METHODS
from nst_tf.configs.video import VideoConfig as VideoConfig
