from nst_tf.optimisation.checkpoint import Checkpoints as Checkpoints
from nst_tf.optimisation.tensorboard import TensorBoardLog as TensorBoardLog
from nst_tf.optimisation.transfer import StyleTransfer as StyleTransfer
from nst_tf.optimisation.transfer import stylize as stylize
