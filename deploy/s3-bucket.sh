#!/bin/sh
# Make the bucket of PET_MEDIA_URL in the S3-compatible store; one that is there stays.
set -eu
bucket=${PET_MEDIA_URL#s3://}
bucket=${bucket%%/*}

# The keys go through standard input: on the command line, anyone who lists processes would see them.
request() {
    printf 'user = "%s:%s"\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" |
        curl --config - --aws-sigv4 "aws:amz:$AWS_REGION:s3" --silent --show-error --fail --max-time 10 --output /dev/null "$@"
}

request --head "$AWS_ENDPOINT_URL/$bucket" 2>/dev/null || request --request PUT "$AWS_ENDPOINT_URL/$bucket"
echo "The bucket $bucket is there."
