"""The networks for sequences: series, texts, and pictures row by row."""

from __future__ import annotations

from crosstrain.zoo.catalogue.row import NetworkRow

TASK = "sequences"
TRANSCRIPTION = "transcription"
CAPTIONING = "captioning"
_WINDOW = (20, 1)

# fmt: off
SEQUENCES = (
    NetworkRow(
        "rnn", "sequences.recurrent:recurrent", "one recurrent layer of 64 units, tanh",
        "Rumelhart, Hinton and Williams 1986", 1986, _WINDOW, 1, 4_289, 83_264, arguments={"cell": "rnn"},
        tiny={"input_shape": (6, 2), "classes": 5, "units": 5}, task=TASK,
    ),
    NetworkRow(
        "lstm", "sequences.recurrent:recurrent", "one LSTM layer of 64 units",
        "Hochreiter and Schmidhuber 1997; Gers et al. 2000", 1997, _WINDOW, 1, 16_961, 332_864,
        arguments={"cell": "lstm"}, tiny={"input_shape": (6, 2), "classes": 5, "units": 5}, task=TASK,
    ),
    NetworkRow(
        "gru", "sequences.recurrent:recurrent", "one GRU layer of 64 units", "Cho et al. 2014", 2014, _WINDOW,
        1, 12_929, 249_664, arguments={"cell": "gru"},
        tiny={"input_shape": (6, 2), "classes": 5, "units": 5}, task=TASK,
    ),
    NetworkRow(
        "bilstm", "sequences.recurrent:recurrent", "an LSTM layer of 64 units forwards, one backwards",
        "Schuster and Paliwal 1997; Graves and Schmidhuber 2005", 2005, _WINDOW, 1, 33_921, 665_728,
        arguments={"cell": "lstm", "both_ways": True},
        tiny={"input_shape": (6, 2), "classes": 5, "units": 4}, task=TASK,
    ),
    NetworkRow(
        "stacked-lstm", "sequences.recurrent:recurrent", "two LSTM layers of 64 units, one above the other",
        "Graves, Mohamed and Hinton 2013", 2013, _WINDOW, 1, 49_985, 988_224,
        arguments={"cell": "lstm", "depth": 2},
        tiny={"input_shape": (6, 2), "classes": 5, "units": 4}, task=TASK,
    ),
    NetworkRow(
        "stacked-gru", "sequences.recurrent:recurrent", "two GRU layers of 64 units, one above the other",
        "Cho et al. 2014", 2014, _WINDOW, 1, 37_889, 741_184, arguments={"cell": "gru", "depth": 2},
        tiny={"input_shape": (6, 2), "classes": 5, "units": 4}, task=TASK,
    ),
    NetworkRow(
        "seq2seq", "sequences.recurrent:seq2seq", "LSTM encoder and decoder with attention",
        "Sutskever et al. 2014; Luong et al. 2015, section 3.1", 2015, _WINDOW, 12, 58_241, 855_808,
        tiny={"input_shape": (6, 2), "classes": 5, "units": 5}, task=TASK,
        note="forecasts: a number for each step ahead",
    ),
    NetworkRow(
        "conv1d", "sequences.convolutional:conv1d", "convolutions of three widths, maxima over time",
        "Kim 2014, section 2", 2014, _WINDOW, 1, 1_153, 15_552,
        tiny={"input_shape": (6, 2), "classes": 5, "filters": 3}, task=TASK,
    ),
    NetworkRow(
        "tcn", "sequences.convolutional:tcn", "four residual blocks of dilated causal convolutions",
        "Bai, Kolter and Koltun 2018, section 3", 2018, _WINDOW, 1, 22_465, 432_672,
        tiny={"input_shape": (6, 2), "classes": 5, "filters": 4, "depth": 2}, task=TASK,
    ),
    NetworkRow(
        "cnn-lstm", "sequences.convolutional:cnn_lstm", "a convolution with pooling, an LSTM layer",
        "Sainath et al. 2015, section 2", 2015, _WINDOW, 1, 25_025, 247_744,
        tiny={"input_shape": (6, 2), "classes": 5, "filters": 4, "units": 4}, task=TASK,
    ),
    NetworkRow(
        "transformer-encoder", "sequences.attention:encoder", "two layers of attention, averaged over steps",
        "Vaswani et al. 2017, section 3.1", 2017, _WINDOW, 1, 101_569, 2_069_824,
        tiny={"input_shape": (6, 2), "classes": 5, "size": 8, "heads": 2}, task=TASK,
    ),
    NetworkRow(
        "gpt-nano", "sequences.attention:gpt", "language model of three layers of causal attention",
        "minGPT's gpt-nano (Karpathy 2020); Radford et al. 2019, section 2.3", 2020, (64,), 65,
        94_224, 6_687_744,
        tiny={"input_shape": (6,), "classes": 5, "vocabulary": 5, "size": 8, "depth": 2, "heads": 2},
        task=TASK, note="predicts the next token at each step",
    ),
    NetworkRow(
        "rnn-lm", "sequences.recurrent:language_model", "language model of an LSTM layer of 128 units",
        "Mikolov et al. 2010; Karpathy's char-rnn 2015", 2010, (64,), 65, 111_361, 6_823_936,
        tiny={"input_shape": (6,), "classes": 5, "vocabulary": 5, "units": 5}, task=TASK,
        note="predicts the next token at each step; its embedding is of 64 numbers",
    ),
    NetworkRow(
        "crnn-ctc", "sequences.transcribing:crnn",
        "seven convolutions, two bidirectional LSTM layers along the line, CTC",
        "Shi, Bai and Yao 2017, table 1", 2015, (32, 100, 1), 37, 8_326_693, 683_347_968,
        tiny={"input_shape": (16, 24, 1), "classes": 5, "width": 1 / 64, "units": 4}, task=TRANSCRIPTION,
        published_parameters="8.3 M", note="reads lines of text: labelled-sequences:DIR",
    ),
    NetworkRow(
        "captioner", "sequences.captioning:captioner", "four convolutions, an LSTM layer that says words",
        "Vinyals et al. 2015, section 3", 2015, (64, 64, 3), 1000, 3_524_872, 74_743_808,
        tiny={"input_shape": (16, 16, 3), "classes": 7, "vocabulary": 7, "width": 1 / 16, "units": 5,
              "length": 4}, task=CAPTIONING,
        inputs=("picture", "words"), note="describes pictures: captions:DIR; its encoder is not the paper's",
    ),
)
# fmt: on
