"""Where experience used to be; see iris_core.data."""

from iris_core.data.batch import Batch as Batch
from iris_core.data.episode import Episode as Episode
from iris_core.data.episode import EpisodeStats as EpisodeStats
from iris_core.data.episode import one_step as one_step
from iris_core.data.episode import stack_segments as stack_segments
from iris_core.data.replay_buffer import Replay as Replay
