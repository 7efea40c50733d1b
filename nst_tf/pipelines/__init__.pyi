from nst_tf.pipelines.augment import StyleAugment as StyleAugment
from nst_tf.pipelines.batch import run as run
from nst_tf.pipelines.jobs import Job as Job
from nst_tf.pipelines.jobs import describe as describe
from nst_tf.pipelines.model_handler import AdainModelHandler as AdainModelHandler
