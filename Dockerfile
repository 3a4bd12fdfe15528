# A machine for grading: `docker build -t quantgrader .` in the repository's folder.
#
# It holds the programs and nothing of a course. The course's folder is mounted, and the sandbox
# needs more than Docker allows by default: the system calls that make namespaces (seccomp), mounts
# (AppArmor), a /proc of its own (systempaths), and the right to both (SYS_ADMIN). What students
# hand in runs behind quantgrader's own filter of system calls, without any of these.
#
#   docker run --rm -it -v "$PWD":/course \
#     --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
#     --security-opt systempaths=unconfined --cap-add SYS_ADMIN \
#     quantgrader check
#
# The marks then belong to root, as the files that it writes do.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap \
    && rm -rf /var/lib/apt/lists/*

# By name: whatever else lies in the repository's folder, a gradebook for instance, stays out.
WORKDIR /opt/lowbit-course
COPY pyproject.toml constraints.txt README.md LICENSE LICENSE-CONTENT ./
COPY quantlib ./quantlib
COPY quantgrader ./quantgrader
RUN python -m pip install --no-cache-dir -c constraints.txt ".[course,cluster,postgres]"

WORKDIR /course
ENTRYPOINT ["quantgrader"]
CMD ["check"]
