"""The walls around a kernel, the warm process inside them, and what goes in and out.

walls        what bubblewrap is told, and what is guaranteed
confine      what the process inside gives up
machine      what of the machine it doesn't see
zygote       the process inside from which kernels come
launcher     starts and ends it
provisioner  does so for jupyter_client
channel      messages to and from it
client       the conversation with a kernel
received     what came out of it, made harmless
watch        what it uses
collector    calls a student's functions, inside
job          what a submission is, and what came of it, as data
runner       one submission: its cells, then the questions
serve        a worker: runs one submission after another
limits       what a submission may use
"""
