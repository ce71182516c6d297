"""An agent and its dream as files that a browser can run: `iris export`.

graphs.py   a step of the dream, and the policy, made of the library's own networks
trace.py    these as ONNX models
storage.py  how the models keep their weights in few bytes
card.py     agent.json: names, sizes, keys and starts
write.py    the folder with all of it
runtime.py  onnxruntime-web, which runs it
runtime.py  the runtime in a browser, fetched by npm
page.py     a folder with the player, its runtime and several agents
options.py  of `iris export`
"""
