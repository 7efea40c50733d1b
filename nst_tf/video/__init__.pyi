from nst_tf.video.frames import Film as Film
from nst_tf.video.frames import Frame as Frame
from nst_tf.video.frames import open_film as open_film
from nst_tf.video.steady import Stabiliser as Stabiliser
from nst_tf.video.transfer import FilmReport as FilmReport
from nst_tf.video.transfer import FilmResult as FilmResult
from nst_tf.video.transfer import stylize_film as stylize_film
